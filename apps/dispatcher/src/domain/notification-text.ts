/** A notification as it is to be sent. */
export interface NotificationToTell {
  /** `ntf_…` */
  readonly id: string;
  readonly tenantSlug: string;
  readonly kind: string;
  readonly dataJson: string;
  readonly createdAtMs: number;
}

const SUBJECTS: Readonly<Record<string, string>> = {
  'destination.disabled': 'A destination was disabled',
  'key.expiring': 'An API key expires soon',
  'source.failing': 'A source refuses what is sent to it',
  'notification.test': 'Test of notifications',
};
const WHAT_TO_DO: Readonly<Record<string, string>> = {
  'destination.disabled':
    'Deliveries that waited are dead letters; of what comes meanwhile nothing is delivered. Mend it, then POST …/destinations/{id}/enable and POST …/dead-letters/redrive.',
  'key.expiring': 'Make a new one with POST …/api-keys, then delete this one.',
  'source.failing':
    'Nothing that comes verifies, and a provider that is refused for long gives up. GET …/refusals?source={id} says why each request was refused. Compare the secret and the settings of the source with what the provider has; POST …/sources/{id}/secrets brings the secret that the provider signs with into force. Then POST …/sources/{id}/refusals/reverify lets in what was refused in the last 72 hours. See whether the provider has disabled the webhook meanwhile.',
  'notification.test': 'Nothing is wrong: somebody wanted to see that this arrives.',
};
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu;
const VALUE_LENGTH_MAX = 500;

/** The body for a webhook: the same bytes on every attempt. */
export function renderNotification({ kind, createdAtMs, tenantSlug, dataJson }: NotificationToTell): Buffer {
  const data: unknown = JSON.parse(dataJson);
  const timestamp = new Date(createdAtMs).toISOString();
  return Buffer.from(JSON.stringify({ type: kind, timestamp, tenant: tenantSlug, data }));
}

/** Subject and text of a mail. */
export function writeNotification({ kind, tenantSlug, dataJson }: NotificationToTell): {
  subject: string;
  text: string;
} {
  const data = JSON.parse(dataJson) as Record<string, unknown>;
  const lines = Object.entries(data).map(([name, value]) => `${name}: ${oneLine(value)}`);
  const subject = `[${tenantSlug}] ${SUBJECTS[kind] ?? kind}`;
  const parts = [`tenant: ${tenantSlug}`, ...lines, '', WHAT_TO_DO[kind] ?? ''];
  return { subject, text: `${parts.join('\n').trimEnd()}\n` };
}

/** What a tenant named must not write lines of its own. */
const oneLine = (value: unknown): string =>
  (typeof value === 'string' ? value : JSON.stringify(value))
    .replace(CONTROL, ' ')
    .slice(0, VALUE_LENGTH_MAX);
