"""Pictures in: read any file, check a folder of drawings, hold it as a set, pack large folders to train on.

Start with `style_set.StyleSet` for an artist's drawings and `pictures.open_picture` for one file.
"""
