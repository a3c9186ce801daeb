"""Alibaba Cloud, one service per module. No SDK type and no SDK exception leaves this package.

A method sends a request, checks the answer and converts it; failures are raised as errors of
`errors`. Nothing here retries: retries belong above, where the deadline is known and each attempt
is signed again.
"""
