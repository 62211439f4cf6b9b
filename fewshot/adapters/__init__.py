"""Small adapters on a base's netG_A: attached for training, kept in a folder, added up to draw."""
