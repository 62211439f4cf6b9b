"""How good is a style: the same photos drawn with and without it, against drawings it never saw."""
