"""Whether what is reported as saved is saved, whatever happens on the way: ``make reliability``."""
