"""Alibaba Cloud, one service per module. No SDK type and no SDK exception leaves this package.

A method sends a request, checks the answer and converts it. Failures are errors of `errors`.
Nothing here retries: the caller knows its deadline, and each attempt must be signed again.

The SDKs take half a second of CPU to import, so each is imported where it is first called.
"""
