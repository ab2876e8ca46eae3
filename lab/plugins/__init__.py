"""Pulumi providers as plugins in Python, for where the official ones cannot be downloaded.

``bin/`` has the executables, found on the PATH as ``pulumi-resource-<package>`` by the lab's engine
and by Pulumi's; ``launch`` starts one, ``serve`` speaks the protocol, ``lifetime`` ends it.
A package is a module here (``command``, ``random``, ``tls``) whose resource types are made as
``resource`` says; ``sdk`` derives the shapes of their inputs from the pinned SDK wheels. The kinds
of ``kubernetes`` are those of the cluster that it speaks to, so it has a surface of its own.
"""
