"""An independent scalar oracle: exact integers and ball arithmetic, one operation at a time."""
