"""How much memory and how many connections there are for exports, and who gets them."""
