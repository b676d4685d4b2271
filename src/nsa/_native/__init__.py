"""The compiled kernels as PyTorch operators, which know tensors and plain arrays only.

``extension`` loads the compiled part, ``operators`` declares the operators, ``devices`` says where
they run, ``host`` turns tensors into arrays, and ``layout`` checks images and lays them out as
kernels read them. ``cuda`` is the half that runs on a GPU.
"""
