"""The ``[keys.…]`` tables of a configuration file, as ``polyglot keys`` lists and changes them."""
