"""The two loss terms of CARL, each a pure function of tensors."""
