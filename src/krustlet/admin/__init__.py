"""What an administrator does for nodes: tokens to join with, rights, approvals, and taking away.

Given a client that may do so. The node itself never does any of it: it has not the rights.
"""
