"""What the documentation site makes of the code's own data: tables of its pages, and the decision explorer."""
