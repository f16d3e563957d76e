"""What differs between MariaDB, MySQL and SQLite: connecting, inserting, the words of SQL, errors."""
