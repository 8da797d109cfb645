import { type FastifyInstance } from 'fastify';

const SPECIAL = /[.*+?^${}()|[\]\\]/g;

/** Which methods a path has, so that a wrong method is told from a wrong path. */
export class RouteTable {
  private readonly routes = new Map<string, { pattern: RegExp; methods: Set<string> }>();

  /** Watches the routes that are added from now on. */
  constructor(server: FastifyInstance) {
    server.addHook('onRoute', ({ url, method }) => {
      const route = this.routes.get(url) ?? { pattern: patternOf(url), methods: new Set() };
      for (const name of [method].flat()) route.methods.add(name);
      this.routes.set(url, route);
    });
  }

  /** Sorted names of the methods that any route of this path takes. Only asked when nothing matched. */
  methodsOf(path: string): string[] {
    const methods = new Set<string>();
    for (const { pattern, methods: names } of this.routes.values())
      if (pattern.test(path)) for (const name of names) methods.add(name);
    return [...methods].sort();
  }
}

/** Of `/v1/tenants/:tenant` and `/docs/*`; parameters end at a slash. */
function patternOf(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part === '*') return '.*';
    return part.startsWith(':') ? '[^/]+' : part.replace(SPECIAL, '\\$&');
  });
  return new RegExp(`^${parts.join('/')}/?$`);
}
