package licences

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mit = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\nof this software"

func TestLicencesAreRecognised(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"MIT":             {mit, "MIT"},
		"Apache":          {"                                 Apache License\n                           Version 2.0, January 2004", "Apache-2.0"},
		"both":            {mit + "\n\nThe following files are under the Apache License, Version 2.0", "Apache-2.0 AND MIT"},
		"BSD, two parts":  {"Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided", "BSD-2-Clause"},
		"MPL names a GPL": {"Mozilla Public License Version 2.0\n" + strings.Repeat("1. Definitions ", 20) + "GNU General Public License", "MPL-2.0"},
		"BSD, three parts": {
			"Redistribution and use in source and binary forms, with or without\nmodification, are permitted: Neither the name of", "BSD-3-Clause",
		},
		"SQLite": {"All of the code and documentation in SQLite has been dedicated to the public\ndomain by the authors.", "LicenseRef-public-domain"},
		"ISC":    {"Permission to use, copy, modify, and distribute this software for any\npurpose with or without fee is hereby granted", "ISC"},
	} {
		if got, err := classify([]byte(c.text)); err != nil || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestLicencesThatBindOthersAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"SSPL-1.0":         "                     Server Side Public License\n                     VERSION 1, OCTOBER 16, 2018",
		"BUSL-1.1":         "License text copyright (c) 2020 MariaDB Corporation Ab\n\nBusiness Source License 1.1",
		"AGPL-3.0":         "                    GNU AFFERO GENERAL PUBLIC LICENSE\n                       Version 3",
		"GPL":              "GNU GENERAL PUBLIC LICENSE Version 3",
		"Commons Clause":   mit + " ... “Commons Clause” License Condition v1.0",
		"not one of those": "You may look at this. Ask before you do anything else.",
	} {
		if got, err := classify([]byte(text)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %q, %v, want an error that names it", name, got, err)
		}
	}
}

func TestAModuleWithoutALicenceIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "README"), []byte(mit), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := licenceOf(dir); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}
