import { z } from 'zod';
import {
  boolean,
  DATABASE_CONFIG,
  describeConfig,
  GRPC_CONFIG,
  integer,
  loadConfig,
  SERVER_CONFIG,
} from './config.js';

test('defaults are texts and parsed like the environment', () => {
  const config = loadConfig(SERVER_CONFIG, { DRAIN_TIMEOUT_MS: '', TRACE_SAMPLE_RATIO: '0.5' });
  expect(config).toMatchObject({
    logLevel: 'info',
    drainTimeoutMs: 10_000,
    traceSampleRatio: 0.5,
    otlpEndpoint: '',
  });
  expect(Object.isFrozen(config)).toBe(true);
});

test('B6 every wrong variable is named at once, and no value is shown', () => {
  const load = () =>
    loadConfig(
      { ...SERVER_CONFIG, ...GRPC_CONFIG, ...DATABASE_CONFIG },
      { LOG_LEVEL: 'hunter2', DATABASE_URL: 'hunter2', GRPC_LISTEN: 'hunter2', DATABASE_POOL_MAX: '9000' },
    );
  expect(load).toThrow(expect.objectContaining({ code: 'config.invalid' }));
  for (const name of [
    'LOG_LEVEL',
    'DATABASE_URL',
    'GRPC_LISTEN',
    'HEALTH_LISTEN is not set',
    'DATABASE_POOL_MAX',
  ])
    expect(load).toThrow(name);
  expect(load).not.toThrow('hunter2');
});

test('numbers, booleans and addresses are strict', () => {
  for (const text of ['', '1.5', '1e3', ' 1', '0x10', '-1', '11', '9'.repeat(400)])
    expect(integer(0, 10).safeParse(text).success).toBe(false);
  expect(integer(-5, 10).parse('-5')).toBe(-5);
  expect(boolean.parse('true')).toBe(true);
  expect(boolean.safeParse('yes').success).toBe(false);
  const { parse } = GRPC_CONFIG.grpcListen;
  for (const text of ['127.0.0.1:0', '[::1]:9101', 'events.local:9101']) expect(parse.parse(text)).toBe(text);
  for (const text of ['9101', 'host:', 'host:70000', 'a b:1', '::1:9101x'])
    expect(parse.safeParse(text).success).toBe(false);
});

test('B6 the start-up line masks secrets', () => {
  const schema = {
    ...SERVER_CONFIG,
    key: { env: 'KEY', description: 'a key', parse: z.string(), isSecret: true },
  } as const;
  const described = describeConfig(schema, loadConfig(schema, { KEY: 'hunter2' }));
  expect(described).toMatchObject({ KEY: '***', LOG_LEVEL: 'info' });
});
