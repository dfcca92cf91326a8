# A buildlet: node and this package's agent, nothing else. What your builds need goes on top of it.
#
#     npm ci && npm run build
#     docker build -f docs/kubernetes/buildlet.Dockerfile -t registry.example/team/gomote-buildlet:0.1.0 .
ARG NODE_IMAGE=node:24-slim
FROM ${NODE_IMAGE}
COPY package.json /opt/gomote/
COPY bin/package.json bin/start.js bin/load.js bin/buildlet.js /opt/gomote/bin/
COPY dist/buildlet.cjs dist/tar.cjs dist/undici.cjs dist/self-signed.cjs dist/*-worker.cjs dist/terminal-host.cjs /opt/gomote/dist/
# Terminals: a native module, as npm installed it for this platform.
COPY node_modules/@lydell /opt/gomote/node_modules/@lydell
# The user "node" of the image. Builds that must be root: USER 0 on top, and mind who may create buildlets.
USER 1000:1000
WORKDIR /tmp
EXPOSE 5936
ENTRYPOINT ["node", "/opt/gomote/bin/buildlet.js"]
