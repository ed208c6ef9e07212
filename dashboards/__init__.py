"""What people read: pages, reports and exports."""
