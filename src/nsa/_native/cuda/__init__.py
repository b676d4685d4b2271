"""The CUDA kernels: tensors in, launches out.

``support`` says whether a GPU can run them, ``plan`` brings a plan to the device, ``kernels`` runs
one kernel a function, and ``operators`` implements torch's operators with them. Users reach them
through the same functions as on the CPU.
"""
