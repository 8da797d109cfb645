/** Every data key that opens something, whatever its generation. */
export const DATA_KEYS_SQL = `(
  SELECT tenant_id, week_start_day, 0 AS generation, key_id, wrapped FROM tenants.data_key
  UNION ALL
  SELECT tenant_id, week_start_day, generation, key_id, wrapped FROM tenants.data_key_renewal)`;
