"""Deep feature factorization: the concepts that a layer finds in pictures, without a class."""
