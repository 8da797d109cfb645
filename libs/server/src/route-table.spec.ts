import fastify from 'fastify';
import { RouteTable } from './route-table.js';

test('B5 a path knows its methods; parameters end at a slash, a star takes the rest', () => {
  const server = fastify();
  const table = new RouteTable(server);
  const answer = async () => 'ok';
  server.get('/v1/tenants/:tenant', answer);
  server.patch('/v1/tenants/:tenant', answer);
  server.post('/v1/tenants', answer);
  server.get('/docs/*', answer);
  expect(table.methodsOf('/v1/tenants/acme')).toEqual(['GET', 'HEAD', 'PATCH']);
  expect(table.methodsOf('/v1/tenants')).toEqual(['POST']);
  expect(table.methodsOf('/docs/a/b')).toEqual(['GET', 'HEAD']);
  expect(table.methodsOf('/v1/tenants/acme/sources')).toEqual([]);
  expect(table.methodsOf('/v1xtenants')).toEqual([]);
});
