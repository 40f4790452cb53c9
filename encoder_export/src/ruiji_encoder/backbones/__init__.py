"""Convolutional picture towers that begin with weights of ImageNet, beside SigLIP's own vision transformer.

A backbone makes a small catalogue go further: what edges, fabrics and shapes look like is known before the first pair.
SigLIP's architecture stays the way of the product wherever a SigLIP checkpoint can be had.
"""
