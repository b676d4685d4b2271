"""The tables of Rippel, Mertens and Merhof (ICPR 2020) by ``nsa reproduce --paper gaussian``.

A job takes one network on one category, once: it extracts the features and judges everything that
the tables want to know of them, as the network is what takes the time.
"""
