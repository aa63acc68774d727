"""Object stores of the clouds, through obstore: which there are, how their URLs are read, how an object gets there.

obstore comes with the extra ``cloud``, and nothing here imports it before the first URL of an object store is opened.
"""
