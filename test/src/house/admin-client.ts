import { request } from 'undici';
import { type DestinationUnderTest, type TenantUnderTest } from '../checker/evidence.js';
import { type SourceTarget } from '../load/workload.js';
import { uuidOf } from '../wire/ids.js';

/** The sink, in this process or in another. */
export interface SinkFace {
  readonly url: (destination: string) => string;
  readonly configure: (destination: string, change: { secrets: readonly string[] }) => unknown;
}

/** A tenant of one's own, and its first key. */
export interface OpenTenant extends TenantUnderTest {
  readonly id: string;
  readonly key: string;
  readonly keyId: string;
  readonly api: AdminClient;
}

/** The REST API, as a stranger would call it. */
export class AdminClient {
  constructor(
    private readonly apiUrl: string,
    private readonly key: string,
  ) {}

  /** @throws Error with the answer when it is not 2xx. */
  async call<T>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<T> {
    const { statusCode, body: answer } = await request(`${this.apiUrl}/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (statusCode >= 300) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** Uploads rows as JSON Lines. @throws Error with the report when a row was refused. */
  async upload(path: string, rows: readonly object[]): Promise<void> {
    const { statusCode, body } = await request(`${this.apiUrl}/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/x-ndjson' },
      body: rows.map((row) => JSON.stringify(row)).join('\n'),
    });
    const text = await body.text();
    const isWhole = statusCode < 300 && (JSON.parse(text) as { refused: number }).refused === 0;
    if (!isWhole) throw new Error(`POST ${path}: ${statusCode} ${text.slice(0, 500)}`);
  }

  async createTenant(slug: string): Promise<TenantUnderTest> {
    const { uuid } = await this.openTenant(slug);
    return { uuid, slug };
  }

  /** Makes a tenant. @returns it, with the API as its first key sees it. */
  async openTenant(slug: string, over: object = {}): Promise<OpenTenant> {
    const body = { slug, name: slug, country: 'AT', timeZone: 'Europe/Vienna', ...over };
    const { id, apiKey } = await this.call<{ id: string; apiKey: { id: string; secret: string } }>(
      'POST',
      '/tenants',
      body,
    );
    const api = new AdminClient(this.apiUrl, apiKey.secret);
    return { id, uuid: uuidOf(id)!, slug, key: apiKey.secret, keyId: apiKey.id, api };
  }

  async createSource(tenant: string, provider: SourceTarget['provider']): Promise<SourceTarget> {
    const given = provider === 'twilio' ? { secret: 'a'.repeat(32) } : {};
    const body = { name: provider, provider, ...given };
    const path = `/tenants/${tenant}/sources`;
    const { id, url, secret } = await this.call<{ id: string; url: string; secret?: string }>(
      'POST',
      path,
      body,
    );
    return { tenant, sourceId: id, provider, url, secret: secret ?? given.secret! };
  }

  /** Makes a destination at the sink, and tells the sink its secret. */
  async createDestination(
    tenant: TenantUnderTest,
    sink: SinkFace,
    name: string,
    options: { ordering?: 'none' | 'key'; eventTypes?: string[]; filter?: object; maxInFlight?: number } = {},
  ): Promise<DestinationUnderTest> {
    const { ordering = 'none', eventTypes = [], filter = {}, maxInFlight = 64 } = options;
    const body = { name, url: sink.url(name), ordering, eventTypes, filter, maxInFlight };
    const path = `/tenants/${tenant.slug}/destinations`;
    const { id, signingSecret } = await this.call<{ id: string; signingSecret: string }>('POST', path, body);
    await sink.configure(name, { secrets: [signingSecret] });
    return { uuid: uuidOf(id)!, tenant: tenant.uuid, name, ordering, eventTypes };
  }
}
