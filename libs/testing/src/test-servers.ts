/** Names of the variables by which a run of Jest hands its servers to the test files. */
export const TEST_DATABASE_URL = 'POSTHORN_TEST_DATABASE_URL';
export const TEST_NATS_URL = 'POSTHORN_TEST_NATS_URL';

/** URLs of the servers of this test run. */
export interface TestServers {
  /** The superuser's, for the database `postgres`. */
  readonly databaseUrl: string;
  readonly natsUrl: string;
}

/** The servers that the run's global setup started, or that were given from outside. */
export function testServers(): TestServers {
  return { databaseUrl: given(TEST_DATABASE_URL), natsUrl: given(TEST_NATS_URL) };
}

function given(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '')
    throw new Error(`${name} is not set: run medium tests by npm run test:int`);
  return value;
}
