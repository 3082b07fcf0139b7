"""The command line: commands, input and output, rendering."""
