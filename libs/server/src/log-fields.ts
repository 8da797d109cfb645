/** A value that may stand in a log line or a trace. */
export type LogValue = string | number | bigint | boolean | undefined;

/**
 * The only fields that reach a log line or a trace: identifiers, states and measures.
 * Why an allow-list: what nobody thought of stays out. No payloads, addresses of people, texts, secrets.
 */
export const LOG_FIELDS = [
  'service',
  'instanceId',
  'eventId',
  'factId',
  'requestId',
  'tenantId',
  'sourceId',
  'destinationId',
  'deliveryId',
  'attemptId',
  'messageId',
  'conversationId',
  'suppressionId',
  'secretId',
  'dataKeyId',
  'actorId',
  'correlationId',
  'traceId',
  'occurrenceId',
  'provider',
  'type',
  'signal',
  'channel',
  'kind',
  'stage',
  'outcome',
  'reason',
  'state',
  'code',
  'status',
  'method',
  'route',
  'peer',
  'caller',
  'address',
  'cause',
  'name',
  'subject',
  'shard',
  'shards',
  'sequence',
  'epoch',
  'leaseEpoch',
  'batch',
  'version',
  'attempt',
  'attemptsMax',
  'count',
  'total',
  'stored',
  'duplicate',
  'refused',
  'dropped',
  'pending',
  'depth',
  'lag',
  'limit',
  'bytes',
  'durationMs',
  'delayMs',
  'ageMs',
  'retryAfterMs',
  'pid',
  'signalName',
  'exitCode',
  'config',
  'node',
] as const;
export type LogField = (typeof LOG_FIELDS)[number];

/** The fields of one log line. `err` is written as name, code and stack. */
export type LogFields = { readonly [K in LogField]?: LogValue } & { readonly err?: unknown };

const TEXT_LENGTH_MAX = 1_000;
const allowed: ReadonlySet<string> = new Set(LOG_FIELDS);

/** Whether a field of this name may be written. */
export const isLogField = (name: string): name is LogField => allowed.has(name);

/** A value as it is written; undefined for what is no plain value. */
export function logValue(value: unknown): string | number | boolean | undefined {
  switch (typeof value) {
    case 'string':
      return value.length > TEXT_LENGTH_MAX ? `${value.slice(0, TEXT_LENGTH_MAX)}…` : value;
    case 'bigint':
      return value.toString();
    case 'number':
    case 'boolean':
      return value;
    default:
      return undefined;
  }
}
