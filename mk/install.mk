# What leaves the build folder: man pages, completions, the installed tree, the source archive. Pages and completions are printed by the
# program itself, and the library's page is made from its header, so they cannot disagree with them.

BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share

.PHONY: man completions dist install
man: $(B)/man/.stamp
$(B)/man/.stamp: $(B)/provmat producer/provmat.h provstore/provmat_store.h tools/header-man
	@echo "  MAN   $(@D)"
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	$(Q)set -e; $< help --man > $(@D)/provmat.1; \
	$< help --list > $(@D)/.list; \
	while read -r command; do $< help --man $$command > "$(@D)/provmat-$$(echo $$command | tr ' ' -).1" </dev/null; done < $(@D)/.list
	$(Q)tools/header-man -v version=$(VERSION) producer/provmat.h > $(@D)/provmat.3
	$(Q)tools/header-man -v version=$(VERSION) -v name=provmat_store provstore/provmat_store.h > $(@D)/provmat_store.3
	$(Q)touch $@

completions: $(B)/completions/.stamp
$(B)/completions/.stamp: $(B)/provmat
	@echo "  GEN   $(@D)"
	$(Q)mkdir -p $(@D)
	$(Q)$< completion bash > $(@D)/provmat.bash && $< completion zsh > $(@D)/_provmat && $< completion fish > $(@D)/provmat.fish
	$(Q)touch $@

$(B)/provmat.pc: provmat.pc.in $(B)/flags FORCE
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' \
	    -e 's|@PRIVATE@|$(LIBRARY_LIBS)|' $< > $@

install: $(B)/provmat library $(B)/provmat.pc man completions
	$(Q)install -D -m 755 $(B)/provmat $(DESTDIR)$(BINDIR)/provmat
	$(Q)install -D -m 644 $(B)/libprovmat.a $(DESTDIR)$(LIBDIR)/libprovmat.a
	$(Q)install -D -m 755 $(B)/$(SONAME) $(DESTDIR)$(LIBDIR)/$(SONAME)
	$(Q)ln -sfn $(SONAME) $(DESTDIR)$(LIBDIR)/libprovmat.so
	$(Q)install -D -m 644 producer/provmat.h $(DESTDIR)$(INCLUDEDIR)/provmat.h
	$(Q)sed 's|"producer/provmat.h"|<provmat.h>|' provstore/provmat_store.h > $(B)/provmat_store.h
	$(Q)install -D -m 644 $(B)/provmat_store.h $(DESTDIR)$(INCLUDEDIR)/provmat_store.h
	$(Q)install -D -m 644 $(B)/provmat.pc $(DESTDIR)$(LIBDIR)/pkgconfig/provmat.pc
	$(Q)install -d $(DESTDIR)$(DATADIR)/man/man1 && install -m 644 $(B)/man/*.1 $(DESTDIR)$(DATADIR)/man/man1
	$(Q)install -d $(DESTDIR)$(DATADIR)/man/man3 && install -m 644 $(B)/man/*.3 $(DESTDIR)$(DATADIR)/man/man3
	$(Q)install -D -m 644 $(B)/completions/provmat.bash $(DESTDIR)$(DATADIR)/bash-completion/completions/provmat
	$(Q)install -D -m 644 $(B)/completions/_provmat $(DESTDIR)$(DATADIR)/zsh/site-functions/_provmat
	$(Q)install -D -m 644 $(B)/completions/provmat.fish $(DESTDIR)$(DATADIR)/fish/vendor_completions.d/provmat.fish
	@echo "installed in $(DESTDIR)$(PREFIX)"

# What git knows of the last commit, always the same bytes.
dist:
	$(Q)mkdir -p build
	$(Q)git archive --format=tar --prefix=provmat-$(VERSION)/ HEAD | gzip -9n > build/provmat-$(VERSION).tar.gz
	@echo build/provmat-$(VERSION).tar.gz
