import { ERRORS, type ErrorCode } from '@posthorn/errors/registry.js';
import { z } from 'zod';
import { type RouteOptions } from './route.js';
import { pending } from './shapes.dto.js';
import { CSV_TYPE, JSON_LINES_TYPE, UPLOAD_ROWS_MAX } from './upload.js';

const ANY_ROUTE_ERRORS: readonly ErrorCode[] = [
  'request.invalid',
  'quota.exceeded',
  'service.unavailable',
  'internal.error',
];
const KEY_ERRORS: readonly ErrorCode[] = ['principal.unauthenticated', 'principal.forbidden'];
const BODY_ERRORS: readonly ErrorCode[] = [
  'request.malformed',
  'request.too_large',
  'request.unsupported_media_type',
];
const POST_ERRORS: readonly ErrorCode[] = ['idempotency.conflict', 'idempotency.in_progress'];

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
  detail: z.string().optional(),
  instance: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

type Json = Record<string, unknown>;
const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const json: Json = { ...z.toJSONSchema(schema, { io, unrepresentable: 'any' }) };
  delete json['$schema'];
  return json;
};

/**
 * The OpenAPI 3.1 document of these routes, from the same schemas that validate their requests.
 * Source: OpenAPI Specification 3.1.0.
 */
export function openApiDocument(routes: readonly RouteOptions[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Posthorn Admin API',
      version,
      description:
        'Tenants, sources, destinations, messages, people, and what happened to every event. Times are RFC 3339 in UTC with milliseconds; IDs are opaque and sort by time.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'an operator key or a tenant key' },
      },
      schemas: { Problem: schemaOf(problem, 'output') },
    },
  };
}

function operation(route: RouteOptions): Json {
  const scope =
    route.access.principal === 'tenant'
      ? `Scope: \`${route.access.scope}\`.`
      : route.access.principal === 'operator'
        ? `Operators only, scope: \`${route.access.scope}\`.`
        : 'No key needed.';
  return {
    operationId: `${route.method.toLowerCase()}${route.path.replaceAll(/[{}]/g, '').replaceAll(/[^A-Za-z0-9]+(\w)/g, (_, char: string) => char.toUpperCase())}`,
    tags: [route.tag],
    summary: route.summary,
    description: scope,
    parameters: parametersOf(route),
    ...requestBodyOf(route),
    ...(route.access.principal === 'public' && { security: [] }),
    responses: responsesOf(route),
  };
}

function requestBodyOf({ body, upload }: RouteOptions): Json {
  if (body !== undefined)
    return {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } },
    };
  if (upload === undefined) return {};
  const description = `At most ${UPLOAD_ROWS_MAX} rows: a JSON object on each line, or CSV whose first line names the columns (\`outer.inner\` for a field of a field). The schema is that of one row.`;
  return { requestBody: { required: true, description, content: rowsOf(upload, 'input') } };
}

/** The same rows in both forms. */
function rowsOf(row: z.ZodType, io: 'input' | 'output'): Json {
  const schema = schemaOf(row, io);
  return { [JSON_LINES_TYPE]: { schema }, [CSV_TYPE]: { schema } };
}

function parametersOf(route: RouteOptions): Json[] {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    ...(name === 'tenant' && { description: "the tenant's slug or ID" }),
  }));
  const query = route.query === undefined ? {} : schemaOf(route.query, 'input');
  const required = (query['required'] as string[] | undefined) ?? [];
  const inQuery = Object.entries((query['properties'] as Record<string, Json> | undefined) ?? {}).map(
    ([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema }),
  );
  const header = {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description: 'the same key and body within 24 h get the first answer again',
    schema: { type: 'string', maxLength: 255 },
  };
  return [...inPath, ...inQuery, ...(route.method === 'POST' ? [header] : [])];
}

function contentOf({ download, response, hasBytes }: RouteOptions): Json {
  if (download !== undefined) return { content: rowsOf(download, 'output') };
  if (hasBytes === true) return { content: { '*/*': { schema: { type: 'string', format: 'binary' } } } };
  if (response === undefined) return {};
  return { content: { 'application/json': { schema: schemaOf(response, 'output') } } };
}

function responsesOf(route: RouteOptions): Json {
  const content = contentOf(route);
  const responses: Record<string, Json> = { [route.status]: { description: 'Success', ...content } };
  if (route.changesConfiguration === true)
    responses['202'] = {
      description: 'Stored; `pending` names the services that have not confirmed it yet',
      ...(route.response === undefined
        ? { content: { 'application/json': { schema: schemaOf(z.object({ pending }), 'output') } } }
        : content),
    };
  const codes = [
    ...ANY_ROUTE_ERRORS,
    ...(route.access.principal === 'public' ? [] : KEY_ERRORS),
    ...((route.body ?? route.upload) ? BODY_ERRORS : []),
    ...(route.method === 'POST' ? POST_ERRORS : []),
    ...(route.path.includes('{tenant}') ? (['tenant.not_found'] as const) : []),
    ...(route.errors ?? []),
  ];
  for (const status of new Set(codes.map((code) => ERRORS[code].http))) {
    const here = [...new Set(codes.filter((code) => ERRORS[code].http === status))];
    responses[status] = {
      description: here.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('; '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return responses;
}
