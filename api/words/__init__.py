"""Words that every face uses: one file a theme, pure, without any face's formatting."""
