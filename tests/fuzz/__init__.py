"""Files that chance has changed: none may do more than give a model or an error of our own."""
