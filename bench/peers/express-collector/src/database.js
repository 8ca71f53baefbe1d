/** The tables, as far as collecting needs them. */
import mysql from 'mysql2/promise';

const TABLES = [
  `CREATE TABLE IF NOT EXISTS events (
    id BIGINT AUTO_INCREMENT PRIMARY KEY, app_id CHAR(36) NOT NULL, event VARCHAR(255) NOT NULL,
    referrer TEXT, device VARCHAR(100) NOT NULL, ip_address VARCHAR(45) NOT NULL,
    metadata JSON NOT NULL, at BIGINT NOT NULL, KEY (app_id, event, at))`,
  `CREATE TABLE IF NOT EXISTS event_summary (
    app_id CHAR(36), event VARCHAR(255), day DATE, total BIGINT NOT NULL,
    PRIMARY KEY (app_id, event, day))`,
  `CREATE TABLE IF NOT EXISTS user_analytics (
    user_id CHAR(36) PRIMARY KEY, total BIGINT NOT NULL, device_details JSON NOT NULL,
    ip_address VARCHAR(45) NOT NULL, last_at BIGINT NOT NULL)`,
];

export async function openDatabase(url) {
  const pool = mysql.createPool(url);
  for (const table of TABLES) await pool.query(table);
  return pool;
}
