import { FakeTwilio } from '../fakes/twilio.js';
import { AdminClient } from '../house/admin-client.js';
import { type RunningPlatform } from '../house/running-platform.js';
import { uuidOf } from '../wire/ids.js';
import { contactAt, dayPlace } from './contacts.js';

/** A source of Twilio sends 50 a second: together they must not be what the races wait for. */
const [TENANTS, SOURCES_EACH] = [3, 2];
/** The API takes 10,000 rows, and no more bytes than this makes. */
const ROWS_MAX = 1_000;
const OURS = '+15005550006';

/** A source of one of the tenants, both ways. */
export interface RaceLane {
  readonly tenant: string;
  readonly slug: string;
  readonly apiKey: string;
  readonly sourceId: string;
  /** Where the provider posts, and what it signs with. */
  readonly url: string;
  readonly authToken: string;
  readonly ours: string;
}

/** A contact of one race; half of them had consented to marketing. */
export interface RaceContact {
  readonly lane: RaceLane;
  readonly address: string;
  readonly category: 'transactional' | 'marketing';
}

/** Who takes part in one run. */
export interface RaceCast {
  /** UUIDs. */
  readonly tenants: readonly string[];
  readonly fake: FakeTwilio;
  readonly contacts: readonly RaceContact[];
}

/** New tenants with accounts at a provider of their own, and as many contacts as there are races. */
export async function createRaceCast(
  platform: RunningPlatform,
  name: string,
  races: number,
): Promise<RaceCast> {
  const fake = await new FakeTwilio().start();
  const tenants: string[] = [];
  const lanes: RaceLane[] = [];
  for (let at = 0; at < TENANTS; at++) {
    const slug = `race-${name}-${at}`;
    const { id, apiKey } = await platform.admin.call<{ id: string; apiKey: { secret: string } }>(
      'POST',
      '/tenants',
      { slug, name: slug, country: 'AT', timeZone: 'Europe/Vienna' },
    );
    tenants.push(uuidOf(id)!);
    for (let n = 0; n < SOURCES_EACH; n++)
      lanes.push(await createLane(platform, fake, { tenant: uuidOf(id)!, slug, apiKey: apiKey.secret }));
  }
  const place = dayPlace(Date.now());
  const contacts = Array.from({ length: races }, (_value, n): RaceContact => {
    const category = Math.floor(n / lanes.length) % 2 === 0 ? 'transactional' : 'marketing';
    return { lane: lanes[n % lanes.length]!, address: contactAt(place, n), category };
  });
  await consent(platform, contacts);
  return { tenants, fake, contacts };
}

async function createLane(
  { local }: RunningPlatform,
  fake: FakeTwilio,
  owner: Pick<RaceLane, 'tenant' | 'slug' | 'apiKey'>,
): Promise<RaceLane> {
  const api = new AdminClient(local.apiUrl, owner.apiKey);
  const path = `/tenants/${owner.slug}/sources`;
  const { id, url } = await api.call<{ id: string; url: string }>('POST', path, {
    ...{ name: 'Twilio', provider: 'twilio', secret: fake.authToken },
    settings: { accountSid: fake.accountSid, apiBaseUrl: fake.url, from: OURS },
  });
  const { accountSid, authToken } = fake;
  await api.call('PUT', `${path}/${id}/credentials`, { accountSid, authToken });
  return { ...owner, sourceId: id, url, authToken, ours: OURS };
}

async function consent({ local }: RunningPlatform, contacts: readonly RaceContact[]): Promise<void> {
  const occurredAt = new Date(Date.now() - 86_400_000).toISOString();
  const wanted = contacts.filter(({ category }) => category === 'marketing');
  for (const slug of new Set(wanted.map(({ lane }) => lane.slug))) {
    const own = wanted.filter(({ lane }) => lane.slug === slug);
    const api = new AdminClient(local.apiUrl, own[0]!.lane.apiKey);
    const rows = own.map(({ address }) => ({
      ...{ address, channel: 'sms', status: 'opted_in', occurredAt },
      proof: { method: 'web_form', wording: 'Yes, write to me.' },
    }));
    for (let at = 0; at < rows.length; at += ROWS_MAX)
      await api.upload(`/tenants/${slug}/consents/import`, rows.slice(at, at + ROWS_MAX));
  }
}
