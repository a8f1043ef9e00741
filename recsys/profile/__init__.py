"""What a shop knows about a shopper, as lines of text with their evidence."""
