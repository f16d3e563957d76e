"""What people notice, over standalone and over a cluster; a package, so that each deployment is started once for it."""
