# A coordinator: node and this package's server, nothing else.
#
#     npm ci && npm run build
#     docker build -f docs/kubernetes/coordinator.Dockerfile -t registry.example/team/gomote-coordinator:0.1.0 .
ARG NODE_IMAGE=node:24-slim
FROM ${NODE_IMAGE}
COPY package.json /opt/gomote/
COPY bin/package.json bin/start.js bin/coordinator.js /opt/gomote/bin/
COPY dist/*.cjs /opt/gomote/dist/
COPY dist/web /opt/gomote/dist/web
USER 1000:1000
WORKDIR /tmp
EXPOSE 8443
ENTRYPOINT ["node", "/opt/gomote/bin/coordinator.js"]
CMD ["serve", "--config", "/etc/gomote/coordinator.toml"]
