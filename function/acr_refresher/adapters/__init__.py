"""The outside, one service a file. No SDK type and no SDK exception leaves this package.

A method is request, check, convert; what fails is raised as an error of `ports`. Nothing here
retries: that belongs above, where the deadline is known and a retry is signed anew.
"""
