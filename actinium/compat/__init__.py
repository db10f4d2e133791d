"""Other packages under their own names, on the operators of this one: for programs and files that ask for them."""
