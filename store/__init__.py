"""What is remembered: MariaDB or MySQL, SQLite in standalone. The only user of pymysql, dbutils and sqlite3."""
