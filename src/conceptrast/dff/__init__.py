"""What a layer holds of pictures, without a class: deep feature factorization."""
