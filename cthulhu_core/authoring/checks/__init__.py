"""What ``cthulhu check`` looks at in an installed package.

package.py is what is read of it; metadata.py, offers.py, hooks.py, sources.py and imports.py have the rules, each a
function from a package to what it finds; rules.py lists them. How findings are printed is in cli/check.py.
"""
