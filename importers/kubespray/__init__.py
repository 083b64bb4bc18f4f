"""Inventories of kubespray (Ansible, YAML or INI) with their group and host variables."""
