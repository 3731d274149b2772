"""What pools did, kept: figures, events, sessions that ended, copies of those alive."""
