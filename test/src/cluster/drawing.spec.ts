import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../house/running-platform.js';
import { isDrawn, placesOf, readDrawing, targetsOf } from './drawing.js';

const drawing = readDrawing(readFileSync(join(ROOT, 'docs/operations.md'), 'utf8'));

test('I3 the table of the page is read whole', () => {
  expect([...drawing.calls.keys()]).toEqual([
    'ingress',
    'api',
    'tenants',
    'events',
    'compliance',
    'dispatcher',
  ]);
  expect(drawing.calls.get('events')).toEqual(['tenants', 'compliance', 'dispatcher']);
  expect(drawing.stores.get('api')).toEqual([]);
  expect(drawing.stores.get('tenants')).toEqual(['postgres', 'nats']);
  expect([...drawing.callsOut]).toEqual(['ingress', 'dispatcher']);
});

test.each([
  ['ingress', 'events', true],
  ['events', 'ingress', false],
  ['events', 'events', false],
  ['events', 'events health', false],
  ['api', 'postgres', false],
  ['events', 'postgres', true],
  ['migration', 'postgres', true],
  ['migration', 'nats', false],
  ['postgres', 'dns', false],
  ['postgres', 'postgres', true],
  ['postgres', 'nats', false],
  ['dispatcher', 'internet', true],
  ['events', 'internet', false],
  ['dispatcher', 'kubernetes', false],
  ['dispatcher', 'node', false],
  ['stranger', 'ingress', true],
  ['stranger', 'events', false],
  ['foreigner', 'postgres', false],
  ['foreigner', 'internet', true],
])('I3 %s → %s: %s', (from, to, isOpen) => {
  expect(isDrawn(drawing, from, to)).toBe(isOpen);
});

test('I3 every place that is reached at all is reached from somewhere, so that a closed way is no server that is away', () => {
  const unreached = targetsOf(drawing).filter(
    (to) => !to.endsWith(' health') && !placesOf(drawing).some((from) => isDrawn(drawing, from, to)),
  );
  expect(unreached).toEqual([]);
});

test('a page without the table is refused', () => {
  expect(() => readDrawing('# Operations\n')).toThrow('no table');
});
