"""The spool: records kept on this node's disk, in order, while the store is away, and handed to it when it returns."""
