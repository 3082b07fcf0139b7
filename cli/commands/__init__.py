"""One module per command, imported when the command is called: arguments, one library call, one writer call."""
