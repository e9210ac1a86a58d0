"""Sets whose images are no files of their own: Parquet, tars, folders of Arrow files, and addresses."""
