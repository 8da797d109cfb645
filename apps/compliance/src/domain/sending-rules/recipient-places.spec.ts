import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AREA_CODES } from './area-codes.js';
import { COUNTRY_ZONES } from './country-zones.js';
import { canonicalZone } from './local-time.js';
import { candidatesOf } from './recipient-places.js';
import { sendFacts } from './send-facts.fixture.js';
import type { ContactPlace, SendFacts } from './send-facts.js';
import { STATE_ZONES } from './us-states.js';
import { ZIP_PREFIXES } from './zip-prefixes.js';

const NOWHERE: ContactPlace = { timeZone: '', country: '', postalCode: '' };
function candidates(
  address: string,
  contact: Partial<ContactPlace> = {},
  other: Partial<SendFacts> = {},
): string[] {
  const facts = sendFacts({ address, contact: { ...NOWHERE, ...contact }, ...other });
  return candidatesOf(facts).map(({ place, zone }) => `${place} ${zone}`);
}

test.each<[string, string, Partial<ContactPlace>, string[]]>([
  ['a number', '+13055550123', {}, ['US-FL America/New_York']],
  ['a number of two zones', '+18505550123', {}, ['US-FL America/New_York', 'US-FL America/Chicago']],
  ['a contact zone chooses', '+18505550123', { timeZone: 'America/Chicago' }, ['US-FL America/Chicago']],
  ['an alias of a zone', '+18505550123', { timeZone: 'US/Central' }, ['US-FL America/Chicago']],
  ['a zone with the same clock', '+13135550123', { timeZone: 'America/Detroit' }, ['US-MI America/Detroit']],
  ['a zone that is none', '+13055550123', { timeZone: 'Mars/Olympus' }, ['US-FL America/New_York']],
  ['a zone without a place', '+13055550123', { timeZone: 'UTC' }, ['US-FL America/New_York']],
  [
    'a postal code before the number',
    '+13055550123',
    { country: 'US', postalCode: '98104' },
    ['US-WA America/Los_Angeles'],
  ],
  [
    'a postal code without a country',
    '+13055550123',
    { postalCode: '98104-1234' },
    ['US-WA America/Los_Angeles'],
  ],
  [
    'a postal code of another country',
    '+33612345678',
    { country: 'FR', postalCode: '75001' },
    ['FR Europe/Paris'],
  ],
  ['a postal code of no country', '', { postalCode: '75001' }, []],
  ['the number when the country agrees', '+13055550123', { country: 'us' }, ['US-FL America/New_York']],
  ['a territory within its country', '+17875550123', { country: 'US' }, ['PR America/Puerto_Rico']],
  [
    'one country of a shared code',
    '+447700900123',
    { country: 'JE' },
    [`JE ${canonicalZone('Europe/Jersey')}`],
  ],
  ['Kazakhstan within +7', '+77011234567', { timeZone: 'Asia/Almaty' }, ['KZ Asia/Almaty']],
  [
    'number and country that contradict',
    '+13055550123',
    { country: 'FR' },
    ['US-FL America/New_York', 'FR Europe/Paris'],
  ],
  [
    'a zone that contradicts the number',
    '+33612345678',
    { timeZone: 'Asia/Tokyo' },
    ['FR Asia/Tokyo', 'JP Asia/Tokyo'],
  ],
  ['a country', '', { country: 'PT' }, ['PT Europe/Lisbon', 'PT Atlantic/Madeira', 'PT Atlantic/Azores']],
  ['no country of that name', '', { country: 'XX' }, []],
  ['a freephone number', '+18005550123', {}, []],
  ['nothing', '', {}, []],
])('E2 candidates by %s', (_name, address, contact, expected) => {
  expect(candidates(address, contact).sort()).toEqual([...expected].sort());
});

test('E2 a zone alone stands for every state that has its clock', () => {
  const found = candidates('', { timeZone: 'America/Phoenix' });
  expect(found).toEqual(['US-AZ America/Phoenix']);
  const central = candidates('', { timeZone: 'America/Chicago' });
  expect(central).toEqual(expect.arrayContaining(['US-TX America/Chicago', 'US-FL America/Chicago']));
  expect(central).not.toContain('US-NY America/Chicago');
});

test('E2 the US as a whole has every state and clock', () => {
  const found = candidates('', { country: 'US' });
  expect(new Set(found.map((text) => text.split(' ')[0])).size).toBe(53);
  expect(found).toEqual(
    expect.arrayContaining(['US-AK America/Adak', 'US-HI Pacific/Honolulu', 'PR America/Puerto_Rico']),
  );
});

test('E2 a rule of the clock that the runtime may not know yet counts as well', () => {
  expect(candidates('+12045550123')).toEqual(['CA America/Winnipeg', 'CA Etc/GMT+5']);
});

test('E2 an address is a number on SMS and chat only', () => {
  expect(candidates('whatsapp:+13055550123', {}, { channel: 'chat' })).toEqual(['US-FL America/New_York']);
  expect(candidates('13055550123', {}, { channel: 'chat', provider: 'whatsapp' })).toEqual([
    'US-FL America/New_York',
  ]);
  expect(candidates('13055550123', {}, { channel: 'chat', provider: 'telegram' })).toEqual([]);
  expect(candidates('+13055550123', {}, { channel: 'email' })).toEqual([]);
  expect(candidates('+1 (305) 555-0123')).toEqual(['US-FL America/New_York']);
});

test('E2 every state has area codes and postal codes, and none has a zone that its state has not', () => {
  for (const rows of [AREA_CODES, ZIP_PREFIXES]) {
    const states = rows.filter(([place]) => place.startsWith('US-'));
    expect(new Set(states.map(([place]) => place))).toEqual(new Set(Object.keys(STATE_ZONES)));
    for (const [place, zones] of states)
      expect(STATE_ZONES[place]).toEqual(expect.arrayContaining([...zones]));
  }
  const codes = AREA_CODES.flatMap(([, , text]) => text.split(' '));
  expect(new Set(codes).size).toBe(codes.length);
});

test('E2 every zone of the tables is one, or newer than the runtime', () => {
  const unknown = Object.values(COUNTRY_ZONES)
    .flatMap((text) => text.split(' '))
    .filter((zone) => canonicalZone(zone) === undefined);
  // One more would mean a misspelt name.
  expect(unknown.filter((zone) => zone !== 'America/Coyhaique')).toEqual([]);
});

test('E2 nothing that a contact can be makes it throw', () => {
  const any = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.constantFrom('US', '__proto__', 'constructor', '+1', '+', '+0000000'),
  );
  fc.assert(
    fc.property(any, any, any, any, (address, timeZone, country, postalCode) => {
      expect(Array.isArray(candidates(address, { timeZone, country, postalCode }))).toBe(true);
    }),
  );
});
