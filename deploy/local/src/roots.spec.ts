import { movedServices, parseRoots } from './roots.js';

const OWN = '/own';

test('I6 services move in the order of the file; the others run from this clone', () => {
  const wanted = parseRoots('{"ingress":"/old","tenants":"/old"}', OWN);
  expect([...wanted.keys()].slice(0, 2)).toEqual(['ingress', 'tenants']);
  expect(wanted.get('events')).toBe(OWN);
  expect(wanted.size).toBe(6);
  const running = Object.fromEntries([...wanted.keys()].map((service) => [service, OWN]));
  expect(movedServices(running, wanted)).toEqual(['ingress', 'tenants']);
  expect(movedServices({ ...running, ingress: '/old' }, wanted)).toEqual(['tenants']);
});

test('I6 who leaves the file goes back to this clone', () => {
  const running = Object.fromEntries([...parseRoots('{"api":"/old"}', OWN)]);
  expect(movedServices(running, parseRoots('{}', OWN))).toEqual(['api']);
});

test.each([
  ['[]', 'no object'],
  ['{"console":"/old"}', 'names console; the services are tenants'],
  ['{"api":"old"}', 'the root of api is no absolute path'],
  ['{"api":1}', 'the root of api is no absolute path'],
])('I6 %s is refused', (text, reason) => {
  expect(() => parseRoots(text, OWN)).toThrow(reason);
});
